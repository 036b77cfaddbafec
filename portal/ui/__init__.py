"""How pages look and speak: base templates, components, numbers, icons and drawn charts."""
