"""Networks trained under known conditions: does the measured doubt move as it should?"""
