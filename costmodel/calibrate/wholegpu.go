package calibrate

// WithoutGPU predicts the tables of one GPU from the embedded profiles of the others, as
// if it had never been measured.
func WithoutGPU(name string, tables []Table) []TableError {
	var own *Profile
	var rest []*Profile
	for _, p := range embedded() {
		if p.hardware == name {
			own = p
		} else {
			rest = append(rest, p)
		}
	}
	if own == nil {
		return nil
	}
	return Check(compose(name, own.device, rest), tables)
}
