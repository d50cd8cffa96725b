"""ComfyUI: loads this project's upscale models where it loads others.

Copy this folder into custom_nodes/, ``pip install --no-deps srgan`` into ComfyUI's Python, and put the file that
``srgan export ckpt=srgan format=spandrel out=srgan_x4.safetensors`` writes into models/upscale_models/.
"""

from srgan.spandrel_arch import register

register()
NODE_CLASS_MAPPINGS: dict[str, object] = {}  # the nodes are ComfyUI's own: Load Upscale Model, Upscale Image
