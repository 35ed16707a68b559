"""How Dice and the gate's AUC grow with the number of labelled pictures."""
