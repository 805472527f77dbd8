"""One level-triggered function a kind: gather the world, render, apply what differs."""
