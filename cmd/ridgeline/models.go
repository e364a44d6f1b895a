package main

import "github.com/spf13/cobra"

func modelsCommand(a *app) *cobra.Command { return &cobra.Command{Use: "models"} }
func hardwareCommand(a *app) *cobra.Command { return &cobra.Command{Use: "hardware"} }
