"""What watches a champion between rollouts: its risk and its inputs. Nothing here acts."""
