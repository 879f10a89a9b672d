"""What the site is made of beside the pages in docs/: functions that give Markdown, and Sphinx's settings (conf.py).

A page asks for one with a block (blocks.py); nothing here imports torch.
"""
