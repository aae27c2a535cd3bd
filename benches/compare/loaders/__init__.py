"""What `loaders.py` is made of: each module one step of the comparison.

workloads   what a loader shall deliver, and the sample order
sources     real images as arrays in the work folder, and images that tell where each pixel comes from
peers       the other loaders, a module per library
rfx         rfx, through its programs
verify      whether batches are what was asked for, before anything is timed
measure     one run: images/s, CPU time, first batch, memory; and the machine's copy rate
process     every run in a process of its own
tables      what is printed and written
"""
