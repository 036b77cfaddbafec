"""How readers know the methods by which maps are made."""

# Those of ml.engine.explain_form.METHODS, which says more of each; checks know evidence alone.
TITLES = {
    "grad-cam": "Grad-CAM",
    "grad-cam++": "Grad-CAM++",
    "hires-cam": "HiResCAM",
    "layer-cam": "LayerCAM",
    "eigen-cam": "Eigen-CAM",
    "score-cam": "Score-CAM",
    "attention-rollout": "Attention rollout",
    "gradient": "Gradient",
    "integrated-gradients": "Integrated gradients",
    "smoothgrad": "SmoothGrad",
    "occlusion": "Occlusion",
    "rise": "RISE",
}
