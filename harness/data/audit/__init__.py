"""Can real and fake be told apart without a look at the face?"""
