"""Reading and writing of meshes: what comes in many formats becomes GLB."""
