"""Steps on 1 to 4,096 devices, predicted from what is measured on a few."""
