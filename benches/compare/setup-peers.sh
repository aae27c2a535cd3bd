#!/usr/bin/env bash
# Installs the loaders that benches/compare/loaders.py measures beside rfx into a Python environment of their own:
#   bash benches/compare/setup-peers.sh FOLDER
# Needs Python 3.11 and 8 GB: PyTorch's wheel carries CUDA libraries, though nothing here uses a GPU. FFCV is built from
# source against Debian's OpenCV and TurboJPEG, which needs root where they are missing. These versions are known to work
# together. May be repeated.
set -euo pipefail
folder=${1:?usage: bash benches/compare/setup-peers.sh FOLDER}
python=$(command -v "${PYTHON:-python3.11}" || command -v python3)

if ! pkg-config --exists opencv4 libturbojpeg; then
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        g++ pkg-config python3-dev libopencv-dev libturbojpeg0-dev libturbojpeg0
fi
"$python" -m venv "$folder"
"$folder/bin/pip" install --no-cache-dir --upgrade pip setuptools wheel
"$folder/bin/pip" install --no-cache-dir \
    numpy==2.1.3 pillow==13.0.0 torch==2.15.0 torchvision==0.29.2 numba==0.68.1 opencv-python==5.0.0.93 \
    nvidia-dali-cuda130==2.4.0 ffcv==1.0.2
"$folder/bin/python" "$(dirname "$0")/loaders.py" --list
