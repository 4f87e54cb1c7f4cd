"""One layer at a time, in five stages: prepare, arrange, compose, caption, draw."""
