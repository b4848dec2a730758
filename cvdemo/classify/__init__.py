"""Classification: the networks to choose from, the five best classes, why, and how little changes the answer."""
