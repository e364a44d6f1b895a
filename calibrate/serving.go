package calibrate

// ServedError is the error of one served run.
type ServedError struct{ Seconds, APE float64 }

// ServedTableError sums up the errors of served runs as those of a class called "serving".
func ServedTableError(file, hardware, basis string, errs []ServedError) TableError {
	te := TableError{File: file, Hardware: hardware, Class: "serving", Rows: len(errs), Basis: basis}
	apes := make([]float64, len(errs))
	for i, e := range errs {
		apes[i] = e.APE
	}
	te.sum(apes)
	te.MAPEOver20 = te.MAPE
	return te
}
