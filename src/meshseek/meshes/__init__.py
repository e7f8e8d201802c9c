"""Reading and writing of meshes: OBJ, glTF and GLB."""
