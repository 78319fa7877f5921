"""iPXE scripts, run to what they boot."""
