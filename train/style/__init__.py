"""What the recipes of style transfer share: photographs and paintings, the losses of a pair, the task, the measures."""
