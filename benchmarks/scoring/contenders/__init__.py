"""The contenders: each is a program that scores pictures, and writes down what it answered."""
