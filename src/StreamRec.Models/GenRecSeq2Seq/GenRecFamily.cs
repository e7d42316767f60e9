using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.Checkpoints;
using StreamRec.Models.HuggingFace;
using StreamRec.Models.RecGpt;
using StreamRec.Torch;

namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>GenRec (Cao and Lio 2024) as a family: how its models are made, its checkpoints proved and loaded.</summary>
/// <param name="time">Clock of the time that a list may take.</param>
public sealed class GenRecFamily(TimeProvider time) : IModelFamily
{
    /// <summary>The family's name.</summary>
    public const string FamilyName = "genrec-seq2seq";

    internal const string UseParents = "use the parent's recipe, or begin anew: streamrec train --recipe FILE --activate.";

    /// <inheritdoc/>
    public string Name => FamilyName;

    /// <inheritdoc/>
    public void CheckRecipe(JsonElement recipe) => GenRecRecipe.Read(recipe);

    /// <inheritdoc/>
    public IModel Load(string directory, CheckpointManifest manifest, ModelContext context)
    {
        var version = new ModelVersion(manifest.Family, manifest.Version);
        try
        {
            return LoadProven(directory, manifest, context, version);
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidDataException or FileNotFoundException or DirectoryNotFoundException
            or SafeTensorsException or TorchException or ModelFailedException or CheckpointRejectedException)
        {
            throw new CheckpointRejectedException($"{version}: {exception.Message}", exception);
        }
    }

    /// <inheritdoc/>
    public ITrainableModel Create(
        JsonElement recipe, TrainingVocabulary vocabulary, ParentCheckpoint? parent, ModelContext context, int seed)
    {
        var settings = GenRecRecipe.Read(recipe);
        context = context with { Evidence = RecGptEvidence.Of(settings.Evidence, context) };
        using var random = TorchRandom.Enter(seed);
        // Rows in the order of a hash: catalogue numbers would tell of neighbours in the data, held out ones too.
        var newest = vocabulary.Items.Select(number => context.Catalogue[number].Id).OrderBy(GenRecWords.HashOf).ThenBy(id => id, StringComparer.Ordinal);
        // Of a parent's users only those that the journal still has: whoever was forgotten is in no later checkpoint.
        var users = new Vocabulary([.. vocabulary.Users]);
        return parent is null
            ? Begin(settings, new Vocabulary([.. newest]), users, context, seed)
            : GoOn(settings, newest, users, parent, context, seed);
    }

    private GenRecTraining Begin(GenRecRecipe settings, Vocabulary items, Vocabulary users, ModelContext context, int seed)
    {
        var known = ItemsOf(items, context.Catalogue);
        if (settings.Backbone is not { } backbone)
        {
            var own = GenRecWords.Make(settings.Text, known, users.Ids.Count);
            return Train(settings, own, items, users, new Bart(ConfigOf(settings.Model, own)), context, seed);
        }

        try
        {
            var spelled = GenRecWords.Spelled(backbone, settings.Text, known);
            var bart = BartFiles.Load(backbone);
            if (spelled.Vocabulary <= bart.Config.Vocabulary)
            {
                return Train(settings, spelled, items, users, bart, context, seed);
            }

            bart.Dispose();
            throw new InvalidDataException($"its tokenizer has {spelled.Vocabulary} tokens, its network {bart.Config.Vocabulary}");
        }
        catch (Exception exception) when (exception is InvalidDataException or SafeTensorsException or IOException)
        {
            throw new ArgumentException($"The backbone '{backbone}' cannot be used: {exception.Message}", exception);
        }
    }

    private GenRecTraining GoOn(
        GenRecRecipe settings, IEnumerable<string> ids, Vocabulary users, ParentCheckpoint parent, ModelContext context, int seed)
    {
        var former = GenRecRecipe.Read(parent.Config);
        CheckSameText(settings, former);
        var parentItems = Vocabulary.Read(Path.Combine(parent.Directory, GenRecFiles.ItemsFile));
        var parentUsers = Vocabulary.Read(Path.Combine(parent.Directory, GenRecFiles.UsersFile));
        var items = Vocabulary.Grow(parentItems, ids);
        var words = GenRecWords.Load(parent.Directory, former.Text, parentItems.Ids.Count).Grow(ItemsOf(items, context.Catalogue));
        var parentConfig = BartConfig.From(ConfigJson.Read(parent.Directory));
        var config = settings.Backbone is null ? ConfigOf(settings.Model, words) : parentConfig with { Vocabulary = Math.Max(parentConfig.Vocabulary, words.Vocabulary) };
        if ((config.EncoderHeads, config.DecoderHeads) != (parentConfig.EncoderHeads, parentConfig.DecoderHeads))
        {
            throw new ArgumentException($"The recipe has model.heads {config.EncoderHeads}, the parent {parentConfig.EncoderHeads}; {UseParents}");
        }

        var model = Train(settings, words, items, users, new Bart(config), context, seed);
        try
        {
            GenRecFiles.Inherit(model.Network, parent.Directory, users, parentUsers);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private GenRecTraining Train(
        GenRecRecipe settings, GenRecWords words, Vocabulary items, Vocabulary users, Bart bart, ModelContext context, int seed)
    {
        var network = new GenRecNetwork(bart, users.Rows, items.Rows, settings.Model.IdScale);
        if (bart.Config.MaxPositions < Math.Max(GenRecTexts.LongestOf(words, 1), words.LongestWritten))
        {
            network.Dispose();
            throw new ArgumentException(
                $"The backbone reads {bart.Config.MaxPositions} tokens, the text of a single item has {GenRecTexts.LongestOf(words, 1)}; lower text.titleTokens.");
        }

        network.Eval();
        return new GenRecTraining(settings, words, items, users, network, context, time, seed);
    }

    private GenRecModel LoadProven(string directory, CheckpointManifest manifest, ModelContext context, ModelVersion version)
    {
        var recipe = GenRecRecipe.Read(manifest.Config);
        context = context with { Evidence = RecGptEvidence.Of(recipe.Evidence, context) };
        var items = Vocabulary.Read(Path.Combine(directory, GenRecFiles.ItemsFile));
        var users = Vocabulary.Read(Path.Combine(directory, GenRecFiles.UsersFile));
        var words = GenRecWords.Load(directory, recipe.Text, items.Ids.Count);
        var network = GenRecFiles.Read(directory, words, items, users, recipe.Model.IdScale);
        var model = new GenRecModel(version, recipe, words, items, users, network, context, time);
        try
        {
            GoldenInputs.Prove(manifest.Golden, items, model.Rank);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    // What changes no shape and still makes the parent's weights mean something else.
    private static void CheckSameText(GenRecRecipe child, GenRecRecipe parent)
    {
        var different = (child.Text with { ItemBase = child.Text.ItemBase ?? parent.Text.ItemBase, UserBase = child.Text.UserBase ?? parent.Text.UserBase }) != parent.Text
                ? "other settings of text than the parent"
            : child.Model.IdScale != parent.Model.IdScale ? $"model.idScale {Named(child.Model.IdScale)}, the parent {Named(parent.Model.IdScale)}"
            : child.Backbone is null != parent.Backbone is null ? $"{(child.Backbone is null ? "no backbone" : "a backbone")}, unlike the parent"
            : null;
        if (different is not null)
        {
            throw new ArgumentException($"The recipe has {different}; {UseParents}");
        }

        static string Named(double? scale) => scale is { } given ? $"{given}" : "null";
    }

    private static BartConfig ConfigOf(GenRecModelOptions model, GenRecWords words) => new()
    {
        Hidden = model.Hidden,
        EncoderLayers = model.EncoderLayers,
        DecoderLayers = model.DecoderLayers,
        EncoderHeads = model.Heads,
        DecoderHeads = model.Heads,
        EncoderFeedForward = model.FeedForward,
        DecoderFeedForward = model.FeedForward,
        Dropout = model.Dropout,
        AttentionDropout = model.AttentionDropout,
        ActivationDropout = model.ActivationDropout,
        MaxPositions = GenRecTexts.LongestOf(words, model.MaxItems),
        Vocabulary = words.Vocabulary,
        Bos = words.Begin,
        Eos = words.End,
        Pad = words.Pad,
        DecoderStart = words.End,
        ForcedEos = null,
        // BART's 0.02 is for a width of 768; narrower and from nothing, attention would stay flat for hundreds of steps.
        InitDeviation = 1 / Math.Sqrt(model.Hidden),
    };

    // In the order of rows. An item that this catalogue does not have is one of a parent's.
    private static IReadOnlyList<Item> ItemsOf(Vocabulary items, Catalogue catalogue) =>
        [.. items.Ids.Select(id => catalogue.TryGet(id, out var item) ? item : new Item(id, -1))];
}
