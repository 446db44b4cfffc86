"""Pictures of tiles and inputs."""
