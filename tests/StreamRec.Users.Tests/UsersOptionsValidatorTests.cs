namespace StreamRec.Users.Tests;

public sealed class UsersOptionsValidatorTests
{
    private readonly UsersOptionsValidator _validator = new();

    [Fact]
    public void The_defaults_are_valid() => Assert.True(_validator.Validate(null, new UsersOptions()).Succeeded);

    [Fact]
    public void Each_value_out_of_range_is_named_with_its_value_and_range()
    {
        var result = _validator.Validate(null, new UsersOptions { MaxSequence = 0, K = 1001, RecommendOn = (RecommendOn)9 });
        Assert.Equal(
            [
                "Users:MaxSequence is 0; it must be in [1, 65536].",
                "Users:K is 1001; it must be in [1, 1000].",
                "Users:RecommendOn is 9; it must be one of EveryInteraction, RequestsOnly.",
            ],
            result.Failures);
    }
}
