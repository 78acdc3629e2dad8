import pytest

from crossgate import AutoScalingGroup, Capacity, ConfigError, ConsulServers, NullCloud


@pytest.fixture
def here(stack):
    return NullCloud(stack, "here", network="10.20.0.0/16")


@pytest.fixture
def there(stack):
    return NullCloud(stack, "there", network="10.30.0.0/16")


def test_no_cloud_is_refused(stack, api):
    with pytest.raises(ConfigError, match="has no cloud to run in"):
        AutoScalingGroup(stack, "api", clouds=[], service=api)


def test_one_cloud_without_brackets_is_refused(stack, api, here):
    with pytest.raises(ConfigError, match=r"clouds=\[aws\]"):
        AutoScalingGroup(stack, "api", clouds=here, service=api)


def test_one_cloud_twice_is_refused(stack, api, here):
    with pytest.raises(ConfigError, match="one cloud is given twice"):
        AutoScalingGroup(stack, "api", clouds=[here, here], service=api)


def test_overlapping_networks_are_refused_with_both_ranges(stack, api, here):
    other = NullCloud(stack, "other", network="10.20.128.0/17")
    with pytest.raises(ConfigError, match=r"10\.20\.0\.0/16 and 10\.20\.128\.0/17"):
        AutoScalingGroup(stack, "api", clouds=[here, other], service=api)


def test_a_value_may_differ_by_cloud(stack, api, here, there):
    AutoScalingGroup(
        stack, "api", clouds=[here, there], service=api, capacity={here: Capacity(3, 9)}
    )
    assert here.asked[0].capacity == Capacity(3, 9)
    assert there.asked[0].capacity == Capacity(2, 4)


def test_a_mapping_for_a_cloud_that_is_not_there_is_refused(stack, api, here, there):
    with pytest.raises(ConfigError, match="capacity names a cloud that is not in clouds="):
        AutoScalingGroup(stack, "api", clouds=[here], service=api, capacity={there: Capacity(3, 9)})


@pytest.mark.parametrize("count", [0, 2, 4, 7])
def test_an_unsafe_number_of_consul_servers_is_refused_by_path(stack, here, there, count):
    with pytest.raises(ConfigError, match="test/consul/there: count"):
        ConsulServers(stack, "consul", clouds=[here, there], count={there: count})


def test_a_duplicate_id_is_refused_in_our_words(stack, api, here):
    AutoScalingGroup(stack, "api", clouds=[here], service=api)
    with pytest.raises(ConfigError, match="the id is taken"):
        AutoScalingGroup(stack, "api", clouds=[here], service=api)


def test_one_child_for_each_cloud(stack, api, here, there):
    group = AutoScalingGroup(stack, "api", clouds=[here, there], service=api)
    assert [child.node.id for child in group.node.children] == ["here", "there"]


def test_a_name_holds_what_every_cloud_accepts(stack, api, here):
    AutoScalingGroup(stack, "My_API", clouds=[here], service=api)
    assert here.asked[0].name == "test-my-api"


def test_names_are_known_as_the_construct_is_made(stack, api, here):
    AutoScalingGroup(stack, "api", clouds=[here], service=api)
    assert here.asked[0].name == "test-api"
