"""Management: Web API and module manager."""
