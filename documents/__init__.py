"""Official papers of an application (文书): their words fixed once, printed whenever they are asked for."""
