"""Scores in stated conventions: PSNR, SSIM, LPIPS; a run's closing test; and ``scores.json``."""
