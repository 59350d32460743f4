"""Hold the version of the command: that of ADSP, whose code it is installed without."""

VERSION = "0.1.0"
