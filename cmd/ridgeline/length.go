package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/units"
)

// parseLength reads a number of tokens: 2000, 2k (2,000), 1.5k, 32Ki (32,768), 1m, 1Mi.
func parseLength(s string) (int, error) {
	n, err := units.ParseCount(s)
	switch {
	case err != nil && (s == "" || strings.Trim(s, "0123456789") != ""), n < 0:
		return 0, fmt.Errorf("%q is not a length: write 2000, 2k (2,000) or 32Ki (32,768)", s)
	case err != nil || n > costmodel.MaxLength:
		return 0, fmt.Errorf("%q is more than %d tokens", s, costmodel.MaxLength)
	}
	return int(n), nil
}

// length is a flag whose value is a number of tokens.
type length int

func (l *length) String() string { return strconv.Itoa(int(*l)) }
func (l *length) Type() string   { return "length" }
func (l *length) Set(s string) error {
	n, err := parseLength(s)
	if err == nil {
		*l = length(n)
	}
	return err
}

// batchSize is a flag whose value is a batch; max becomes 0.
type batchSize int

func (b *batchSize) String() string {
	if *b == 0 {
		return "max"
	}
	return strconv.Itoa(int(*b))
}
func (b *batchSize) Type() string { return "batch" }
func (b *batchSize) Set(s string) error {
	if s == "max" {
		*b = 0
		return nil
	}
	n, err := parseLength(s)
	if err != nil || n < 1 || n > costmodel.MaxBatchSize {
		return fmt.Errorf("%q is not a batch: write a number from 1 to %d, or max", s, costmodel.MaxBatchSize)
	}
	*b = batchSize(n)
	return nil
}
