package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch/hf"
)

// README says how many Hugging Face types are read.
func TestReadmeCountsTypes(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("Configurations of %d Hugging Face types are read", len(hf.ModelTypes())); !strings.Contains(string(b), want) {
		t.Errorf("README does not say %q", want)
	}
}
