import matplotlib.pyplot as plt

activations = {}


def keep(name):
    def hook(module, args, output):
        activations[name] = output.detach()

    return hook


names = ["cnn1", "act1", "pool1"]
handles = [
    getattr(model, name).register_forward_hook(keep(name))
    for name in names
]
model(image)
for handle in handles:
    handle.remove()

for name in names:
    maps = activations[name][0]
    fig, axes = plt.subplots(1, len(maps), figsize=(10, 2))
    fig.suptitle(name)
    for ax, channel in zip(axes, maps):
        ax.imshow(channel, cmap="gray")
        ax.axis("off")
    plt.show()
