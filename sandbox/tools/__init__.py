"""The stand-ins of the company's SaaS tools: one HTTP server with the APIs, limits and pages that real tools have."""
