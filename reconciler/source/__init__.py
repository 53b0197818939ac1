"""Where manifests come from: a working copy or a Git repository, at a revision that can be named and trusted."""
