"""Who stands at an outlet: terminals with their keys, tellers with their posts and qualification."""
