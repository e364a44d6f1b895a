package arch

import (
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/units"
)

// ParseBool reads true or false, the value of a key.
func ParseBool(key, value string) (bool, error) {
	switch value {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%s: %q is neither true nor false", key, value)
}

// ParseSize reads a size: a whole number from 0 on, with the suffixes of units.ParseCount.
func ParseSize(s string) (int, error) {
	n, err := units.ParseCount(s)
	switch {
	case err != nil:
		return 0, err
	case n < 0:
		return 0, fmt.Errorf("%s is negative", s)
	case n > math.MaxInt32:
		return 0, fmt.Errorf("%s is more than %d", s, MaxDimension)
	}
	return int(n), nil
}
