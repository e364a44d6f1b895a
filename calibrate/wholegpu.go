package calibrate

import "github.com/OWNER/ridgeline/costmodel/kerneltime"

// WithoutGPU predicts the tables of one GPU from the embedded profiles of the others, as if the
// GPU had never been measured.
func WithoutGPU(name string, tables []Table) []TableError {
	p := kerneltime.Without(name)
	if p == nil {
		return nil
	}
	return Check(p, tables)
}
