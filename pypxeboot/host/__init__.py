"""The privileged process: it joins the network, keeps the files, and starts the client."""
