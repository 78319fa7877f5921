"""What tests share: sites with real servers, replays of recorded boots, peers that misbehave."""
