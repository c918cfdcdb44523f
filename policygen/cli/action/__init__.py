"""The GitHub action: what its steps do, as `action.yml` starts them.

The current folder is the checkout, which a stranger may have written. So Python is started with -I and looks for no
module there, and the programs that are started here take nothing of what Python reads from the environment.
"""
