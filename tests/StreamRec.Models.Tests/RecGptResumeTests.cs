using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Models.RecGpt;

namespace StreamRec.Models.Tests;

[CollectionDefinition(nameof(RecGptResumeTests), DisableParallelization = true)]
[Collection(nameof(RecGptResumeTests))]
public sealed class RecGptResumeTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("streamrec-recgpt-state-").FullName;
    private readonly Catalogue _catalogue = new();
    private readonly UserHistory[] _histories;

    public RecGptResumeTests()
    {
        for (var i = 0; i < 30; i++)
        {
            _catalogue.Add($"item-{i}");
        }

        _histories = [.. Enumerable.Range(0, 24).Select(u => new UserHistory($"user-{u}", [.. Enumerable.Range(u, 3 + (u % 7)).Select(i => i % 30)]))];
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("full-softmax", "softmax", 0)]
    [InlineData("full-softmax", "softmax", 0.9)]
    [InlineData("sampled-softmax", "softmax", 0.9)]
    [InlineData("binary-cross-entropy", "softmax", 0)]
    [InlineData("full-softmax", "causal-flow", 0)]
    public void A_model_that_goes_on_from_a_state_ends_with_the_same_bits(string loss, string attention, double averaging)
    {
        using var whole = Create(loss, attention, averaging);
        Train(whole, 0, 12);
        using var interrupted = Create(loss, attention, averaging);
        Train(interrupted, 0, 7);
        // An evaluation in between changes nothing.
        interrupted.Recommend([new ModelQuery("user-3", new[] { 1, 2 }, default, 5)]);
        interrupted.SaveState(_directory);

        using var resumed = Create(loss, attention, averaging);
        resumed.LoadState(_directory);
        Train(resumed, 7, 12);

        Assert.Equal(Weights(whole), Weights(resumed));
    }

    [Fact]
    public void Several_networks_on_windows_with_holes_and_pieces_of_histories_go_on_with_the_same_bits()
    {
        ITrainableModel Make() => Create(JsonSerializer.SerializeToElement(new
        {
            model = new { members = 2, hidden = 16, layers = 1, feedForward = 32, maxLength = 4, dropout = 0.2, embeddingNorm = true, userEmbedding = false },
            stages = new[] { new { loss = "sampled-softmax", negatives = 5, targets = "prefixes", itemDropout = 0.3, averaging = 0.9 } },
        }));
        using var whole = Make();
        Train(whole, 0, 12);
        using var interrupted = Make();
        Train(interrupted, 0, 7);
        interrupted.SaveState(_directory);

        using var resumed = Make();
        resumed.LoadState(_directory);
        Train(resumed, 7, 12);

        Assert.Equal(Weights(whole), Weights(resumed));
    }

    [Fact]
    public void A_state_of_another_shape_is_refused()
    {
        using var model = Create("full-softmax", "softmax", 0);
        model.SaveState(_directory);
        using var other = Create("full-softmax", "softmax", 0, hidden: 32);

        Assert.Throws<InvalidDataException>(() => other.LoadState(_directory));
    }

    [Fact]
    public void A_mean_of_the_weights_answers_and_is_saved()
    {
        using var plain = Create("full-softmax", "softmax", 0);
        using var mean = Create("full-softmax", "softmax", 0.99);
        Train(plain, 0, 30);
        Train(mean, 0, 30);

        // Both ways of recall answer with it, also when nobody has asked the model itself since the last step.
        var query = new ModelQuery("user-3", new[] { 1, 2 }, default, 5);
        var first = ((ITwoStepRecall)mean).WithSecondStep(0).Recommend([query])[0];
        Assert.Equal(mean.Recommend([query])[0], first);
        // Averaging watches training and does not change it.
        Assert.Equal(plain.TrainStep(_histories), mean.TrainStep(_histories));
        Assert.NotEqual(Weights(plain), Weights(mean));
    }

    private ITrainableModel Create(string loss, string attention, double averaging, int hidden = 16) => Create(
        JsonSerializer.SerializeToElement(new
        {
            model = new { hidden, layers = 1, feedForward = 32, maxLength = 6, dropout = 0.2, attentionDropout = attention == "softmax" ? 0.1 : 0, attention },
            stages = new[] { new { loss, negatives = 5, averaging, learningRate = 0.01, warmUpSteps = 3, decay = "cosine", gradientClip = 1.0, labelSmoothing = loss == "full-softmax" ? 0.1 : 0 } },
        }));

    private ITrainableModel Create(JsonElement recipe) => new RecGptFamily().Create(
        recipe, new TrainingVocabulary([.. Enumerable.Range(0, 30)], [.. _histories.Select(h => h.UserId)]), null,
        new ModelContext(_catalogue, NoEvidence.Instance), seed: 3);

    private void Train(ITrainableModel model, int from, int to)
    {
        for (var step = from; step < to; step++)
        {
            model.TrainStep([.. _histories.Skip(step % 4 * 6).Take(6)]);
        }
    }

    private string Weights(ITrainableModel model)
    {
        var directory = Directory.CreateTempSubdirectory("streamrec-recgpt-weights-");
        try
        {
            model.Save(directory.FullName, [_histories[0]]);
            return Convert.ToHexString(File.ReadAllBytes(Path.Combine(directory.FullName, "model.safetensors")));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }
}
