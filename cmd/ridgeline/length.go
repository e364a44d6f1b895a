package main

import (
	"fmt"
	"strconv"
	"strings"

	"ridgeline/costmodel"
)

// parseLength reads a number of tokens: 2000, 2k (2,000), 32Ki (32,768), 1m, 1Mi.
func parseLength(s string) (int, error) {
	digits, mult := s, 1
	for _, u := range []struct {
		suffix string
		mult   int
	}{{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"k", 1000}, {"K", 1000}, {"m", 1e6}, {"M", 1e6}} {
		if d, ok := strings.CutSuffix(s, u.suffix); ok {
			digits, mult = d, u.mult
			break
		}
	}
	bad := fmt.Errorf("%q is not a length: write 2000, 2k (2,000) or 32Ki (32,768)", s)
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, bad
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n > costmodel.MaxLength/mult {
		return 0, fmt.Errorf("%q is more than %d tokens", s, costmodel.MaxLength)
	}
	return n * mult, nil
}

// length is a flag that holds a number of tokens.
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

// batchSize is a flag that holds a batch, 0 for max.
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
