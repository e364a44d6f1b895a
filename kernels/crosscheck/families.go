package crosscheck

import "ridgeline/arch"

// smallFamilies are the families at a size that runs in milliseconds.
func smallFamilies() ([]*arch.Model, error) { return nil, nil }
