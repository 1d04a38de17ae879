"""What everything else stands on: nothing here imports a floor above."""
