"""Reports as text: terminal, Markdown, JSON, comparison."""
