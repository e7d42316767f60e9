namespace StreamRec.Journal.Tests;

/// <summary>The server of a run of tests.</summary>
public sealed class PostgresFixture : PostgresServer, IAsyncLifetime;

/// <summary>Tests that share the one server.</summary>
[CollectionDefinition(nameof(PostgresServer))]
public sealed class PostgresTests : ICollectionFixture<PostgresFixture>;
