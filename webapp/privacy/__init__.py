"""What the desk knows about somebody: handing it to them, and forgetting it where the books allow."""
