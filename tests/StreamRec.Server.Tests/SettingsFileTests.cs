using System.Collections;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using StreamRec.Domain;
using StreamRec.Models.GenRecSeq2Seq;
using StreamRec.Models.RecGpt;
using StreamRec.Training;

namespace StreamRec.Server.Tests;

/// <summary>The files below <c>config</c> say what the program does: every key, its default, and nothing else.</summary>
[Collection(nameof(Settings))]
public sealed class SettingsFileTests
{
    private static readonly JsonSerializerOptions AsInRecipes = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    private static readonly JsonDocumentOptions WithComments = new() { CommentHandling = JsonCommentHandling.Skip };

    private static string SettingsFile => Repository.Config("streamrec.json");

    [Fact]
    public void The_settings_file_is_loadable_and_changes_nothing()
    {
        var (with, without) = (Settings.Load(SettingsFile), Settings.Load());

        Assert.Equal(Flatten(without), Flatten(with));
    }

    [Fact]
    public void The_settings_file_has_every_key_with_its_default_and_no_other()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(SettingsFile), WithComments);
        var expected = Flatten(new StreamRecOptions());
        // A path here would hold the journal back where --data moves everything else; null stands for the same default.
        expected["journal:path"] = null;

        Assert.Equal(expected, Flatten(document.RootElement));
    }

    [Fact]
    public void The_journal_of_the_settings_file_moves_with_the_data_directory() =>
        Assert.Equal(
            Path.Combine("elsewhere", "journal.db"), Settings.Load(SettingsFile, ("Server:DataDirectory", "elsewhere")).Journal.Path);

    [Fact]
    public void Every_key_of_the_settings_file_has_a_comment_above_it()
    {
        var lines = File.ReadAllLines(SettingsFile).Select(line => line.Trim()).ToList();

        Assert.All(
            Enumerable.Range(0, lines.Count).Where(i => lines[i].StartsWith('"') && lines[i] != "\"Config\": {}"),
            i => Assert.StartsWith("//", lines[i - 1], StringComparison.Ordinal));
    }

    public static TheoryData<string> RecipeFiles => [.. Directory.GetFiles(Repository.Config("models", ""), "*.json")
        .Select(path => Path.GetFileName(path)!).Where(name => name != "transitions.json").Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(RecipeFiles))]
    public void A_recipe_file_makes_a_model(string name)
    {
        var recipe = Pipeline.ReadRecipe(Repository.Config("models", name));
        var catalogue = new Catalogue();
        var family = Pipeline.FamilyOf(recipe, new TrainingOptions());

        using var model = family.Create(
            recipe, new TrainingVocabulary([catalogue.Add("a"), catalogue.Add("b"), catalogue.Add("c")], ["u"]), null, new ModelContext(catalogue, NoEvidence.Instance), seed: 1);

        for (var stage = 0; stage < model.Stages.Count; stage++)
        {
            model.BeginStage(stage);
            Assert.True(double.IsFinite(model.TrainStep([new UserHistory("u", [0, 1, 2])])));
        }
    }

    [Fact]
    public void The_recipe_file_has_every_key_with_its_default_and_no_other()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Repository.Config("models", "recgpt.json")), WithComments);
        var defaults = JsonSerializer.SerializeToElement(new RecGptRecipe(), AsInRecipes);

        Assert.Equal(Flatten(defaults), Flatten(document.RootElement));
    }

    [Fact]
    public void The_recipe_file_of_genrec_has_every_key_with_its_default_and_no_other()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Repository.Config("models", "genrec-seq2seq.json")), WithComments);
        var defaults = JsonSerializer.SerializeToElement(new GenRecRecipe(), AsInRecipes);

        Assert.Equal(Flatten(defaults), Flatten(document.RootElement));
    }

    [Theory]
    [InlineData("{}", "recgpt", "recgpt")]
    [InlineData("{}", "genrec-seq2seq", "genrec-seq2seq")]
    [InlineData("""{"family":"genrec-seq2seq"}""", "recgpt", "genrec-seq2seq")]
    public void A_recipe_s_own_family_comes_before_the_settings(string recipe, string setting, string family) =>
        Assert.Equal(family, Pipeline.FamilyOf(JsonSerializer.Deserialize<JsonElement>(recipe), new TrainingOptions { Family = setting }).Name);

    [Theory]
    [InlineData("{}", "Training:Family is 'nobody'; it must be one of recgpt, genrec-seq2seq, transitions.")]
    [InlineData("""{"family":"somebody"}""", "The recipe's family is 'somebody'")]
    public void A_family_that_is_unknown_is_refused_by_name(string recipe, string expected) => Assert.Contains(
        expected,
        Assert.Throws<ArgumentException>(() => Pipeline.FamilyOf(JsonSerializer.Deserialize<JsonElement>(recipe), new TrainingOptions { Family = "nobody" })).Message,
        StringComparison.Ordinal);

    [Fact]
    public void The_recipe_file_of_transitions_has_every_key_with_its_default_and_no_other()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Repository.Config("models", "transitions.json")), WithComments);
        var defaults = JsonSerializer.SerializeToElement(new Models.Transitions.TransitionsRecipe(), AsInRecipes);

        Assert.Equal(Flatten(defaults), Flatten(document.RootElement));
    }

    [Fact]
    public void The_paper_s_recipe_has_the_stages_of_the_paper_and_the_size_that_its_code_has_by_default()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Repository.Config("models", "recgpt-paper.json")), WithComments);
        var settings = Flatten(document.RootElement);

        string?[] expected = ["128", "1", "2", "256", "50", "binary-cross-entropy", "0.001", "256", "full-softmax", "256", "tail-replace", "1"];
        Assert.Equal(expected, new[]
        {
            "model:hidden", "model:layers", "model:heads", "model:feedforward", "model:maxlength",
            "stages:0:loss", "stages:0:learningrate", "stages:0:batchsize",
            "stages:1:loss", "stages:1:batchsize", "stages:1:prompts:mode", "stages:1:prompts:count",
        }.Select(key => settings[key]));
    }

    [Theory]
    [InlineData("""{ "model": { "hiden": 64 } }""", "hiden")]
    [InlineData("""{ "model": { "hidden": 65 } }""", "model.hidden is 65; it must be a multiple of model.heads, 2.")]
    [InlineData("""{ "stages": [{ "learningRate": 2 }] }""", "stages[0].learningRate is 2; it must be in [1E-09, 1].")]
    [InlineData("""{ "stages": [{ "loss": "hinge" }] }""", "loss")]
    public void A_recipe_that_is_wrong_is_refused_by_key(string json, string expected)
    {
        using var document = JsonDocument.Parse(json);
        var catalogue = new Catalogue();

        var refused = Assert.Throws<ArgumentException>(() => Pipeline.Families[0].Create(
            document.RootElement, new TrainingVocabulary([catalogue.Add("a")], []), null, new ModelContext(catalogue, NoEvidence.Instance), seed: 1));

        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_recipe_file_that_is_missing_is_refused_by_name() =>
        Assert.Contains(
            "nowhere.json", Assert.Throws<ArgumentException>(() => Pipeline.ReadRecipe("nowhere.json")).Message, StringComparison.Ordinal);

    private static SortedDictionary<string, string?> Flatten(object options)
    {
        var keys = new SortedDictionary<string, string?>(StringComparer.Ordinal);
        Walk("", options);
        return keys;

        void Walk(string path, object node)
        {
            // What can be set is a setting; the rest is derived.
            foreach (var property in node.GetType().GetProperties().Where(property => property.CanWrite))
            {
                var (name, value) = (Join(path, property.Name), property.GetValue(node));
                if (value is IDictionary dictionary)
                {
                    keys[name] = $"{dictionary.Count} keys";
                }
                else if (property.PropertyType.IsClass && property.PropertyType != typeof(string))
                {
                    Walk(name, value!);
                }
                else
                {
                    keys[name] = Convert.ToString(value, CultureInfo.InvariantCulture) is { Length: > 0 } text ? text : null;
                }
            }
        }
    }

    private static SortedDictionary<string, string?> Flatten(JsonElement document)
    {
        var keys = new SortedDictionary<string, string?>(StringComparer.Ordinal);
        Walk("", document);
        return keys;

        void Walk(string path, JsonElement node)
        {
            foreach (var property in node.EnumerateObject())
            {
                var (name, value) = (Join(path, property.Name), property.Value);
                if (property.Name is "Config" or "Types")
                {
                    keys[name] = $"{value.EnumerateObject().Count()} keys";
                }
                else if (value.ValueKind == JsonValueKind.Object)
                {
                    Walk(name, value);
                }
                else if (value.ValueKind == JsonValueKind.Array)
                {
                    foreach (var (i, element) in value.EnumerateArray().Index())
                    {
                        Walk(Join(name, $"{i}"), element);
                    }
                }
                else
                {
                    // Through the type, so that 1.0 is 1 and a time is written as .NET writes it.
                    keys.Add(name, value.ValueKind switch
                    {
                        JsonValueKind.Null => null,
                        JsonValueKind.True or JsonValueKind.False => value.GetBoolean().ToString(),
                        JsonValueKind.Number => value.GetDouble().ToString(CultureInfo.InvariantCulture),
                        _ when TimeSpan.TryParse(value.GetString(), CultureInfo.InvariantCulture, out var time) => time.ToString(),
                        _ => value.GetString(),
                    });
                }
            }
        }
    }

    // In lower case: settings and recipes differ in how they write keys.
    private static string Join(string path, string name) => (path.Length == 0 ? name : $"{path}:{name}").ToLowerInvariant();
}
