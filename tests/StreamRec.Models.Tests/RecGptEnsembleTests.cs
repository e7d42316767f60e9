using StreamRec.Models.RecGpt;
using StreamRec.Torch;

namespace StreamRec.Models.Tests;

public sealed class RecGptEnsembleTests
{
    private static readonly RecGptConfig Small = new() { Hidden = 16, Layers = 1, Heads = 2, FeedForward = 16, MaxLength = 6 };

    [Fact]
    public void A_score_is_the_mean_of_the_members_scores()
    {
        using var scope = TensorScope.Enter();
        using var ensemble = Create(3);
        var hidden = Ask(ensemble);

        var scores = ensemble.Scores(hidden).ToArray<float>();

        var each = ensemble.Members.Zip(hidden, (member, h) => h.MatMul(member.ItemTable.T).ToArray<float>()).ToArray();
        for (var i = 0; i < scores.Length; i++)
        {
            Assert.Equal(each.Average(one => one[i]), scores[i], 1e-6f);
        }
    }

    [Fact]
    public void Members_begin_apart()
    {
        using var scope = TensorScope.Enter();
        using var ensemble = Create(2);

        Assert.NotEqual(ensemble.Members[0].ItemTable.ToArray<float>(), ensemble.Members[1].ItemTable.ToArray<float>());
    }

    [Fact]
    public void A_single_member_has_the_network_s_own_names()
    {
        using var one = Create(1);
        using var two = Create(2);

        Assert.Contains("item_embeddings.weight", one.StateDict().Keys);
        Assert.Contains("members.1.item_embeddings.weight", two.StateDict().Keys);
        Assert.DoesNotContain("item_embeddings.weight", two.StateDict().Keys);
    }

    [Fact]
    public void Weights_of_another_number_of_members_are_refused_by_name()
    {
        using var two = Create(2);
        using var three = Create(3);

        Assert.Contains("members.2.", Assert.Throws<ArgumentException>(() => two.LoadStateDict(three.StateDict())).Message, StringComparison.Ordinal);
        Assert.Contains("missing", Assert.Throws<ArgumentException>(() => three.LoadStateDict(two.StateDict())).Message, StringComparison.Ordinal);
    }

    private static RecGptEnsemble Create(int members)
    {
        using var random = TorchRandom.Enter(5);
        var ensemble = new RecGptEnsemble(Small with { Members = members }, itemRows: 21, userRows: 2);
        ensemble.Train(false);
        return ensemble;
    }

    private static Tensor[] Ask(RecGptEnsemble ensemble) =>
        ensemble.ForwardLast(Tensor.From<long>([3, 4, 5, 0, 7, 8], 2, 3), Tensor.From<long>([0, 1]), null);
}
