using StreamRec.Journal;
using StreamRec.Training;
using StreamRec.Users;
using static StreamRec.Server.Tests.Settings;

namespace StreamRec.Server.Tests;

[Collection(nameof(Settings))]
public sealed class StreamRecOptionsTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("streamrec-options-").FullName;
    private readonly Dictionary<string, string?> _before = [];

    public void Dispose()
    {
        foreach (var (name, value) in _before)
        {
            Environment.SetEnvironmentVariable(name, value);
        }

        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void The_defaults_are_valid()
    {
        var options = Load();

        Assert.Equal(new ServerOptions(), options.Server);
        Assert.Equal(new JournalOptions(), options.Journal);
        Assert.Equal(new UsersOptions(), options.Users);
        Assert.Equal(new TrainingOptions(), options.Training);
        Assert.Null(options.Kafka.BootstrapServers);
        Assert.Equal(Path.Combine("data", "models"), options.ModelsDirectory);
    }

    [Fact]
    public void The_environment_beats_the_file_and_overrides_beat_both()
    {
        var file = Write("""{ "Users": { "K": 11, "SaveBatch": 21, "MaxSequence": 31 }, "Inference": { "Workers": 2 } }""");
        SetVariable("STREAMREC__Users__K", "12");
        SetVariable("STREAMREC__Users__SaveBatch", "22");

        var options = Load(file, ("Users:K", "13"));

        Assert.Equal((13, 22, 31), (options.Users.K, options.Users.SaveBatch, options.Users.MaxSequence));
        Assert.Equal(2, options.Inference.Workers);
        Assert.Equal(8, options.Users.MailboxBatches);
    }

    [Fact]
    public void Variables_with_other_names_mean_nothing()
    {
        SetVariable("STREAMREC_DATA", "somewhere");
        SetVariable("STREAMREC_Users__K", "12");
        SetVariable("Users__K", "12");

        Assert.Equal(10, Load().Users.K);
    }

    [Fact]
    public void A_fault_of_the_environment_is_named_like_any_other()
    {
        SetVariable("STREAMREC__Users__K", "0");

        Assert.Equal("Users:K is 0; it must be in [1, 1000].", Assert.Single(Faults()));
    }

    [Fact]
    public void Keys_are_read_whatever_their_case()
    {
        var options = Load(Write("""{ "users": { "k": 7 } }"""), ("TRAINING:MODE", "off"));

        Assert.Equal((7, TrainingMode.Off), (options.Users.K, options.Training.Mode));
    }

    [Fact]
    public void Every_kind_of_value_is_read()
    {
        var options = Load(Write(
            """
            {
              "$schema": "anything",
              // A comment.
              "Server": { "DataDirectory": "elsewhere" },
              "Kafka": { "BootstrapServers": "a:1,b:2", "PollTimeout": "00:00:00.25", "Topics": { "Items": "shop.items" } },
              "Journal": { "Synchronous": "normal" },
              "Users": { "RecommendOn": "RequestsOnly" },
              "Training": { "HoldOut": 0.25, "Recipe": "mine.json", }
            }
            """));

        Assert.Equal("elsewhere", options.Server.DataDirectory);
        Assert.Equal("a:1,b:2", options.Kafka.BootstrapServers);
        Assert.Equal(TimeSpan.FromMilliseconds(250), options.Kafka.PollTimeout);
        Assert.Equal(("shop.items", "streamrec.interactions"), (options.Kafka.Topics.Items, options.Kafka.Topics.Interactions));
        Assert.Equal(JournalSynchronous.Normal, options.Journal.Synchronous);
        Assert.Equal(RecommendOn.RequestsOnly, options.Users.RecommendOn);
        Assert.Equal((0.25, "mine.json"), (options.Training.HoldOut, options.Training.Recipe));
    }

    [Fact]
    public void The_journal_is_in_the_data_directory_unless_it_has_a_path_of_its_own()
    {
        Assert.Equal(Path.Combine("d", "journal.db"), Load(("Server:DataDirectory", "d")).Journal.Path);
        Assert.Equal("j.db", Load(("Server:DataDirectory", "d"), ("Journal:Path", "j.db")).Journal.Path);
        Assert.Equal(
            Path.Combine("d", "journal.db"), Load(Write("""{ "Journal": { "Path": null } }"""), ("Server:DataDirectory", "d")).Journal.Path);
    }

    [Fact]
    public void A_key_that_is_null_keeps_its_default()
    {
        var options = Load(Write(
            """
            {
              "Server": { "DataDirectory": null, "HttpPort": null }, "Kafka": { "BootstrapServers": null, "GroupId": null, "Topics": null },
              "Users": null, "Training": { "Every": null, "Mode": null }
            }
            """));

        Assert.Equal(new ServerOptions(), options.Server);
        Assert.Equal(("streamrec", "streamrec.items"), (options.Kafka.GroupId, options.Kafka.Topics.Items));
        Assert.Equal(new UsersOptions(), options.Users);
        Assert.Equal(new TrainingOptions(), options.Training);
    }

    [Fact]
    public void Settings_of_librdkafka_pass_through_as_they_are()
    {
        var options = Load(
            Write("""{ "Kafka": { "Consumer": { "Config": { "fetch.wait.max.ms": 50, "security.protocol": "SASL_SSL" } } } }"""),
            ("Kafka:Producer:Config:linger.ms", "20"),
            ("Kafka:Consumer:Config:client.id", "a=b"));

        Assert.Equal(
            new Dictionary<string, string> { ["client.id"] = "a=b", ["fetch.wait.max.ms"] = "50", ["security.protocol"] = "SASL_SSL" },
            options.Kafka.Consumer.Config);
        Assert.Equal(new Dictionary<string, string> { ["linger.ms"] = "20" }, options.Kafka.Producer.Config);
    }

    [Fact]
    public void A_mapping_is_read_with_words_of_any_shape()
    {
        var options = Load(
            Write("""{ "Mapping": { "User": "$.user.id", "Time": "$['a b'][0]", "TimeUnit": "s", "Types": { "view_item": "view", "urn:shop:add": "cart", "a.b": "ignore" } } }"""),
            ("Mapping:Types:VIEW_ITEM", "click"));

        Assert.Equal(("$.user.id", null, "$['a b'][0]", "s"), (options.Mapping.User, options.Mapping.Item, options.Mapping.Time, options.Mapping.TimeUnit));
        Assert.Equal(
            [("a.b", "ignore"), ("urn:shop:add", "cart"), ("view_item", "click")],
            options.Mapping.Types.Select(t => (t.Key.ToLowerInvariant(), t.Value)).Order());
    }

    [Fact]
    public void A_librdkafka_setting_that_carries_a_guarantee_is_refused() =>
        Assert.Collection(
            Faults(("Kafka:Consumer:Config:enable.auto.commit", "true"), ("Kafka:Producer:Config:acks", "0")),
            fault => Assert.StartsWith("Kafka:Consumer:Config:enable.auto.commit is \"true\"; it must be left out: ", fault, StringComparison.Ordinal),
            fault => Assert.StartsWith("Kafka:Producer:Config:acks is \"0\"; it must be left out: ", fault, StringComparison.Ordinal));

    [Theory]
    [InlineData("Kafak", "'Kafak' is not a section; the sections are Server, Kafka, Mapping, Journal, Users, Inference, Training.")]
    [InlineData("Kafak:GroupId", "'Kafak' is not a section; the sections are Server, Kafka, Mapping, Journal, Users, Inference, Training.")]
    [InlineData("Server:Port", "Server:Port is not a setting; those of Server are DataDirectory, HttpPort, NativeThreads, CountedAtStart, PrequentialUsers, PrequentialWindow.")]
    [InlineData("Kafka:Topics:Clicks", "Kafka:Topics:Clicks is not a setting; those of Kafka:Topics are ")]
    [InlineData("Kafka:Consumer:fetch.wait.max.ms", "Kafka:Consumer:fetch.wait.max.ms is not a setting; those of Kafka:Consumer are Config.")]
    [InlineData("Kafka:Producer:Config:ssl:ca", "Kafka:Producer:Config:ssl:ca is \"7\"; no property of librdkafka has a colon in its name.")]
    [InlineData("Users:K:Max", "Users:K is a section here; it must be a whole number.")]
    [InlineData("Inference", "Inference is '7'; it must be a section with some of MaxBatchSize, QueueCapacity, Workers, AnswerTime, AnswerTokens.")]
    [InlineData("Kafka:Topics", "Kafka:Topics is '7'; it must be a section with some of ")]
    public void What_is_not_known_is_refused_with_what_is(string key, string expected) =>
        Assert.StartsWith(expected, Assert.Single(Faults((key, "7"))), StringComparison.Ordinal);

    [Theory]
    [InlineData("Server:HttpPort", "http", "Server:HttpPort is 'http'; it must be a whole number.")]
    [InlineData("Server:HttpPort", "8088.5", "Server:HttpPort is '8088.5'; it must be a whole number.")]
    [InlineData("Server:HttpPort", "", "Server:HttpPort is ''; it must be a whole number.")]
    [InlineData("Users:K", "99999999999", "Users:K is '99999999999'; it must be a whole number.")]
    [InlineData("Training:HoldOut", "a tenth", "Training:HoldOut is 'a tenth'; it must be a number.")]
    [InlineData("Training:Every", "10 minutes", "Training:Every is '10 minutes'; it must be a time, hh:mm:ss or d.hh:mm:ss.")]
    [InlineData("Training:Every", "30", "Training:Every is '30'; it must be a time, hh:mm:ss or d.hh:mm:ss.")]
    [InlineData("Training:Mode", "Sometimes", "Training:Mode is 'Sometimes'; it must be one of Off, Continuous.")]
    [InlineData("Training:Mode", "7", "Training:Mode is '7'; it must be one of Off, Continuous.")]
    [InlineData("Journal:Synchronous", "Full, Normal", "Journal:Synchronous is 'Full, Normal'; it must be one of Full, Normal.")]
    [InlineData("Users:RecommendOn", "never", "Users:RecommendOn is 'never'; it must be one of EveryInteraction, RequestsOnly.")]
    public void A_value_of_the_wrong_kind_is_refused_with_the_right_one(string key, string value, string expected) =>
        Assert.Equal(expected, Assert.Single(Faults((key, value))));

    [Theory]
    [InlineData("Server:HttpPort", "65536")]
    [InlineData("Server:HttpPort", "-1")]
    [InlineData("Server:NativeThreads", "0")]
    [InlineData("Server:PrequentialUsers", "0")]
    [InlineData("Server:PrequentialWindow", "99")]
    [InlineData("Server:DataDirectory", " ")]
    [InlineData("Kafka:BootstrapServers", " ")]
    [InlineData("Kafka:GroupId", "")]
    [InlineData("Kafka:Partitions", "0")]
    [InlineData("Kafka:MaxRecordBytes", "1023")]
    [InlineData("Kafka:BatchSize", "100001")]
    [InlineData("Kafka:PollTimeout", "00:00:11")]
    [InlineData("Kafka:ConnectTimeout", "00:00:00.5")]
    [InlineData("Kafka:CloseTimeout", "00:06:00")]
    [InlineData("Kafka:Topics:Items", "shop items")]
    [InlineData("Mapping:User", "user.id")]
    [InlineData("Mapping:Types:view_item", "look")]
    [InlineData("Mapping:TimeUnit", "min")]
    [InlineData("Journal:Path", "")]
    [InlineData("Journal:MaxItems", "536870913")]
    [InlineData("Journal:CommitQueue", "0")]
    [InlineData("Users:MaxSequence", "65537")]
    [InlineData("Users:ResidentUsers", "0")]
    [InlineData("Users:MailboxBatches", "1025")]
    [InlineData("Users:TurnInteractions", "0")]
    [InlineData("Users:CommitsInFlight", "65")]
    [InlineData("Users:SaveInterval", "00:00:00.009")]
    [InlineData("Users:SaveBatch", "0")]
    [InlineData("Users:K", "1001")]
    [InlineData("Users:CloseTimeout", "-00:00:01")]
    [InlineData("Inference:MaxBatchSize", "4097")]
    [InlineData("Inference:QueueCapacity", "0")]
    [InlineData("Inference:Workers", "65")]
    [InlineData("Training:EveryInteractions", "99")]
    [InlineData("Training:Every", "00:00:00")]
    [InlineData("Training:MinInteractions", "9")]
    [InlineData("Training:Budget", "1.00:00:01")]
    [InlineData("Training:MaxEpochs", "1001")]
    [InlineData("Training:HoldOut", "0.51")]
    [InlineData("Training:HoldOut", "NaN")]
    [InlineData("Training:MaxHeldOut", "9")]
    [InlineData("Training:MinNdcgRatio", "2.1")]
    [InlineData("Training:KeepCheckpoints", "0")]
    public void A_value_out_of_range_is_refused_with_its_key_and_the_range(string key, string value)
    {
        var fault = Assert.Single(Faults((key, value)));

        Assert.StartsWith($"{key} is ", fault, StringComparison.Ordinal);
        Assert.Contains("; it must ", fault, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_fault_is_named_in_one_go()
    {
        var file = Write(
            """
            {
              "Kafak": {},
              "Server": { "HttpPort": "http", "NativeThreads": "many", "Prot": 1, "PrequentialWindow": 1 },
              "Kafka": { "Topics": { "Clicks": "x", "Views": "y" }, "Partitions": 0 },
              "Users": { "K": 0, "SaveInterval": "soon" }
            }
            """);

        Assert.Equal(
            ["'Kafak'", "Kafka:Partitions", "Kafka:Topics:Clicks", "Kafka:Topics:Views", "Server:HttpPort", "Server:NativeThreads",
                "Server:PrequentialWindow", "Server:Prot", "Training:Mode", "Users:K", "Users:SaveInterval"],
            Faults(file, ("Training:Mode", "x")).Select(fault => fault.Split(" is ")[0]).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_file_that_is_missing_or_not_json_is_refused_by_name()
    {
        var missing = Path.Combine(_directory, "missing.json");
        Assert.Contains(missing, Assert.Throws<FileNotFoundException>(() => Load(missing)).Message, StringComparison.Ordinal);

        var broken = Write("{ \"Users\": ");
        Assert.Contains(broken, Assert.Throws<InvalidDataException>(() => Load(broken)).Message, StringComparison.Ordinal);
    }

    private string Write(string json)
    {
        var path = Path.Combine(_directory, "streamrec.json");
        File.WriteAllText(path, json);
        return path;
    }

    private void SetVariable(string name, string value)
    {
        _before.TryAdd(name, Environment.GetEnvironmentVariable(name));
        Environment.SetEnvironmentVariable(name, value);
    }
}
