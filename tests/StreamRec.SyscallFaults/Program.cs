using StreamRec.SyscallFaults;

// The child of a SyscallRun: writes to the journal at the path that it is given, and says what became of it.
return await new JournalWriting(args[0], Console.Out).RunAsync();
