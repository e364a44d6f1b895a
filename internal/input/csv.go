package input

import (
	"encoding/csv"
	"errors"
	"fmt"
)

// CSVError words an error of encoding/csv for people who wrote the file: its name, the line,
// and what is wrong there. Other errors are those of reading.
func CSVError(name string, err error) error {
	var p *csv.ParseError
	if !errors.As(err, &p) {
		return Reason(name, err)
	}
	switch {
	case errors.Is(p.Err, csv.ErrFieldCount):
		return fmt.Errorf("%s:%d: a row has other fields than the header", name, p.Line)
	case errors.Is(p.Err, csv.ErrQuote), errors.Is(p.Err, csv.ErrBareQuote):
		return fmt.Errorf("%s:%d: this is not a line of CSV: a quote stands where none belongs, or one is not closed (column %d)", name, p.Line, p.Column)
	}
	return fmt.Errorf("%s:%d: this is not a line of CSV", name, p.Line)
}
