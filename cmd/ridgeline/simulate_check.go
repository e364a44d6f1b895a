package main

import "github.com/spf13/cobra"

func simulateCheckCommand() *cobra.Command { return &cobra.Command{Use: "check"} }
